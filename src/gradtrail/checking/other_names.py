"""What other libraries' layers, losses, schedules and functions are called here.

A name that `gt` has itself needs no entry; a test holds it.
"""

from __future__ import annotations

from collections.abc import Mapping

_LAYERS: Mapping[tuple[str, ...], str] = {
    ("Dense", "FullyConnected"): "gt.Linear(10)",
    ("Conv1D",): "gt.Conv1d(16, 3, padding=1)",
    ("Conv2D", "Convolution2D", "conv2d"): "gt.Conv2d(16, 3, padding=1)",
    ("Conv3D",): "gt.Conv3d(16, 3, padding=1)",
    ("Conv2DTranspose",): "gt.ConvTranspose2d(16, 2, stride=2)",
    ("DepthwiseConv2D",): "gt.Conv2d(channels, 3, groups=channels)",
    ("MaxPooling1D", "MaxPool1D"): "gt.MaxPool1d(2)",
    ("MaxPooling2D", "MaxPool2D", "MaxPool"): "gt.MaxPool2d(2)",
    ("MaxPooling3D", "MaxPool3D"): "gt.MaxPool3d(2)",
    ("AveragePooling1D",): "gt.AvgPool1d(2)",
    ("AveragePooling2D",): "gt.AvgPool2d(2)",
    ("AveragePooling3D",): "gt.AvgPool3d(2)",
    ("GlobalAveragePooling1D",): "gt.GlobalAvgPool1d()",
    ("GlobalAveragePooling2D",): "gt.GlobalAvgPool2d()",
    ("GlobalAveragePooling3D",): "gt.GlobalAvgPool3d()",
    ("GlobalMaxPooling1D",): "gt.GlobalMaxPool1d()",
    ("GlobalMaxPooling2D",): "gt.GlobalMaxPool2d()",
    ("GlobalMaxPooling3D",): "gt.GlobalMaxPool3d()",
    (
        "BatchNormalization",
        "BatchNorm",
        "SyncBatchNorm",
    ): "gt.BatchNorm2d(), or BatchNorm1d and BatchNorm3d",
    (
        "LayerNormalization",
        "LayerNorm2d",
    ): "gt.LayerNorm(axes=1) for channels, gt.LayerNorm() for all",
    ("GroupNormalization",): "gt.GroupNorm(groups)",
    ("CrossMapLRN2d",): "gt.LocalResponseNorm(5)",
    ("SpatialDropout1D", "SpatialDropout2D", "FeatureAlphaDropout"): "gt.Dropout2d(p)",
    ("DropPath", "StochasticDepth2d"): "gt.StochasticDepth(p)",
    (
        "UpSampling1D",
        "UpSampling2D",
        "UpSampling3D",
        "UpsamplingNearest2d",
    ): "gt.Upsample(2)",
    ("UpsamplingBilinear2d",): 'gt.Upsample(2, mode="bilinear", align_corners=True)',
    (
        *("ZeroPad1d", "ZeroPad2d", "ZeroPad3d", "ZeroPadding1D", "ZeroPadding2D"),
        *("ConstantPad1d", "ConstantPad2d", "ConstantPad3d"),
    ): "gt.Pad(1)",
    ("ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d"): 'gt.Pad(1, "reflect")',
    ("ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d"): 'gt.Pad(1, "replicate")',
    ("CircularPad1d", "CircularPad2d", "CircularPad3d"): 'gt.Pad(1, "circular")',
    ("Cropping1D", "Cropping2D", "Cropping3D"): "gt.Pad(−1)",
    ("Unflatten",): "gt.Reshape((channels, height, width))",
    ("Add",): "gt.add(a, b), or a + b of nodes",
    ("Multiply",): "gt.multiply(a, b), or a * b of nodes",
    ("Concatenate", "cat"): "gt.concat(a, b)",
    ("chunk",): "gt.split(node, parts)",
    ("Softmax2d",): "gt.Softmax(1)",
    ("Swish",): "gt.SiLU()",
    ("HardSwish",): "gt.Hardswish()",
    ("HardSigmoid",): "gt.Hardsigmoid()",
    ("Identity",): "nothing: a list of layers without it, or the node itself",
    ("Lambda",): 'gt.Pointwise("x*sigmoid(x)"), or gt.Equation(text)',
    ("Activation",): "the activation as a layer, such as gt.ReLU()",
    ("Sequential", "Model", "Module", "ModuleList"): "gt.Network(input_shape, [layer, …])",
}

_LOSSES: Mapping[tuple[str, ...], str] = {
    (
        *("CrossEntropyLoss", "SparseCategoricalCrossentropy", "CategoricalCrossentropy"),
        *("cross_entropy", "categorical_crossentropy", "sparse_categorical_crossentropy"),
    ): "gt.CrossEntropy()",
    ("NLLLoss", "NLLLoss2d", "nll_loss"): "gt.CrossEntropy(), and no LogSoftmax before it",
    (
        *("BCEWithLogitsLoss", "BinaryCrossentropy", "binary_crossentropy"),
        *("MultiLabelSoftMarginLoss", "binary_cross_entropy_with_logits"),
    ): "gt.BCEWithLogits()",
    ("BCELoss", "binary_cross_entropy"): "gt.BCEWithLogits(), and no Sigmoid before it",
    (*("MSELoss", "MSE", "mse_loss", "mse", "mean_squared_error"),): "gt.MeanSquaredError()",
    ("L1Loss", "l1_loss", "MAE", "mae", "MeanAbsoluteError", "mean_absolute_error"): "gt.L1()",
    ("HuberLoss", "huber_loss"): "gt.Huber(delta)",
    ("SmoothL1Loss", "smooth_l1_loss"): "gt.Huber(beta), which is beta times SmoothL1Loss(beta)",
    ("DiceLoss", "GeneralizedDiceLoss"): "gt.Dice(), or gt.BinaryDice() for a mask per channel",
    ("FocalLoss", "CategoricalFocalCrossentropy"): "gt.Focal(), or gt.BinaryFocal() for tags",
    ("sigmoid_focal_loss", "BinaryFocalCrossentropy", "BinaryFocalLoss"): "gt.BinaryFocal()",
    (
        *("KLDivLoss", "PoissonNLLLoss", "GaussianNLLLoss", "SoftMarginLoss", "LogCosh"),
        *("HingeEmbeddingLoss", "Poisson", "Hinge"),
    ): 'a formula of the output z and the target t: gt.PointwiseLoss("exp(z) − t·z")',
}

_OTHERS: Mapping[tuple[str, ...], str] = {
    ("nn", "layers", "optim", "keras"): "layers and optimisers from gt itself, as gt.Conv2d",
    ("fit",): "gt.train(network, (x, y))",
    ("predict",): "network.predict(x)",
    ("save",): "network.save(path)",
    ("load_model", "load_network"): "gt.load(path)",
    ("CosineAnnealingLR", "CosineSchedule", "CosineDecay"): "gt.schedules.Cosine()",
    (
        "CosineAnnealingWarmRestarts",
        "CosineDecayRestarts",
        "CosineWarmRestarts",
    ): "gt.schedules.CosineWarmRestarts()",
    ("OneCycleLR",): "gt.schedules.OneCycle()",
    ("StepLR", "MultiStepLR"): "gt.schedules.StepDecay((0.5, 0.75))",
    ("PolynomialLR", "PolynomialDecay", "Polynomial"): "gt.schedules.Polynomial()",
    ("ReduceLROnPlateau",): "gt.schedules.ReduceLROnPlateau()",
    ("ModelCheckpoint",): 'gt.Checkpoints("kept")',
    ("clip_grad_norm_",): "gt.train(…, clip_norm=1.0)",
    ("confusion_matrix", "classification_report"): "gt.confusion(network, (x, y))",
    ("f1_score", "multilabel_confusion_matrix"): "gt.tag_scores(network, (x, y))",
    ("jaccard_score", "JaccardIndex", "MeanIoU"): "gt.confusion(network, (x, y)).iou",
    ("read", "read_image", "ImageFolder", "ArrayImages", "digits"): "gt.data.{name}",
    ("train_test_split",): "gt.data.split(x, y, 0.2)",
    ("CNNClassifier", "CNNRegressor"): "from gradtrail.sklearn import {name}",
    (
        "CSVLog",
        "JSONLinesLog",
        "TensorBoardLog",
        "mistakes",
    ): "from gradtrail.training import {name}",
}

NAMES = {**_LAYERS, **_LOSSES, **_OTHERS}
"""What `gt` has not, but other libraries, or rooms of this one, have."""
