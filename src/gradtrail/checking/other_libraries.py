"""How other libraries call what is here, so that a wrong call can be told what to write.

PyTorch's, Keras's and scikit-learn's words; where a word could be any of several things, the first
that the called function has an argument for.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping

from .other_names import NAMES

_ARGUMENTS: Mapping[tuple[str, ...], Mapping[str, str]] = {
    ("momentum", "weight_decay"): {
        "betas": "betas=, whose first one is the momentum",
        "optimizer": "the optimiser has it: optimizer=gt.SGD(0.1, momentum=0.9)",
    },
    ("lr", "learning_rate", "max_lr"): {
        "lr": "lr=",
        "optimizer": "the optimiser has it: optimizer=gt.SGD(0.1, momentum=0.9)",
        "warm_up": "the optimiser has the learning rate, and a schedule only multiplies it: "
        "optimizer=gt.SGD(0.1)",
    },
    ("validation_data", "val_data", "valid_data", "eval_set", "val", "validation_split"): {
        "validation": "validation=(x, y), of which gt.data.split(x, y, 0.2) gives some",
    },
    ("verbose",): {
        "progress": "progress=False for silence",
        "batch_size": "nothing is written, so leave it out",
    },
    ("callbacks", "callback"): {
        "log": "log=[…] tells others of each step, stopping=gt.EarlyStopping(5) ends the training, "
        'checkpoints=gt.Checkpoints("kept") keeps it',
    },
    ("criterion", "loss_fn", "loss_function"): {"loss": "loss="},
    ("loss_weights", "loss_weight"): {
        "loss": 'of several outputs loss={"a": (gt.CrossEntropy(), 1.0), "b": (…, 0.3)}',
    },
    ("accumulate_grad_batches", "gradient_accumulation_steps", "accumulation_steps"): {
        "accumulate": "accumulate=",
    },
    ("gradient_clip_val", "clipnorm", "global_clipnorm", "max_norm", "max_grad_norm"): {
        "clip_norm": "clip_norm=",
    },
    ("clipvalue",): {"clip_value": "clip_value="},
    ("factor",): {"gamma": "gamma=", "size": "size="},
    ("min_lr", "eta_min"): {"least": "least=, a share of the optimiser's rate"},
    ("T_0", "T_mult"): {"cycles": "cycles= says how many, growth= how much longer each is"},
    ("beta",): {"delta": "delta="},
    ("class_weight", "class_weights"): {
        "weight": "weight=",
        "loss": "loss=gt.CrossEntropy(weight=[…])",
    },
    ("sample_weight",): {
        "loss": "classes are weighted by loss=gt.CrossEntropy(weight=[…]), samples by the "
        "estimators in gradtrail.sklearn",
    },
    ("device", "dtype", "amp"): {
        "engine": "engine= says what computes, and a network has its own dtype",
        "": "leave it out; everything is computed on the CPU, in the network's dtype",
    },
    ("num_workers", "workers", "n_jobs"): {"threads": "threads="},
    ("random_state", "rng", "generator"): {"seed": "seed="},
    ("n_epochs", "num_epochs", "max_epochs", "max_iter", "nb_epoch"): {"epochs": "epochs="},
    ("batch", "bs", "batchsize"): {"batch_size": "batch_size="},
    ("transform", "transforms", "augmentation"): {
        "augment": "augment=gt.Augment(flip=0.5)",
        "size": "size= and channels= say how images come; moving them at random is "
        "gt.train's augment=gt.Augment(flip=0.5)",
    },
    ("test_size", "train_size", "validation_fraction"): {"share": "share="},
    ("stratify",): {"share": "leave it out; every class is in both parts alike"},
    ("target", "targets", "labels", "y_true"): {"y": "y=", "data": "the pair (samples, labels)"},
    ("X", "x", "inputs"): {"x": "x=", "data": "the pair (samples, labels)"},
    ("filters",): {"out_channels": "out_channels="},
    ("units", "features"): {"out_features": "out_features="},
    ("strides",): {"stride": "stride="},
    ("pool_size",): {"kernel_size": "kernel_size="},
    ("dilation_rate",): {"dilation": "dilation="},
    ("use_bias",): {"bias": "bias="},
    ("kernel_initializer", "initializer", "init"): {"initialization": "initialization="},
    ("activation",): {"": "an activation is a layer of its own behind this one: gt.ReLU()"},
    ("padding_mode",): {"padding": "leave it out; here what is padded is 0, or counts for nothing"},
    ("inplace",): {"": "leave it out; nothing is computed in place"},
    ("start_dim", "end_dim"): {"": "leave it out; all axes but the samples' are flattened"},
    ("rate", "prob"): {"p": "p="},
    ("alpha", "slope"): {"negative_slope": "negative_slope="},
    ("epsilon",): {"eps": "eps="},
    ("beta_1", "beta_2", "beta1", "beta2"): {"betas": "betas=(0.9, 0.999)"},
    ("reduction", "size_average"): {"": "leave it out; a loss is the mean over the samples"},
    ("from_logits",): {
        "": "leave it out; the loss takes what the last layer gives, without softmax"
    },
    ("dim", "axis"): {"branches": "leave it out; branches are joined along the channels"},
    ("monitor",): {"measure": 'measure="validation_loss"'},
    ("restore_best_weights", "save_best_only"): {
        "measure": "leave it out; the best epoch's weights are kept",
        "folder": "leave it out; gt.EarlyStopping keeps the best epoch's weights",
    },
    ("T_max", "step_size", "gamma", "total_steps", "epochs"): {
        "warm_up": "a schedule runs over the whole training, in shares of it: "
        "gt.schedules.Cosine(), gt.schedules.StepDecay((0.5, 0.75))",
    },
    ("hflip", "horizontal_flip", "flip_left_right"): {"flip": "flip=0.5"},
    ("rotate", "degrees", "rotation_range"): {"rotation": "rotation=10"},
    ("zoom", "zoom_range"): {"scale": "scale=0.1"},
    ("translate", "width_shift_range", "height_shift_range"): {"shift": "shift="},
    ("filepath", "dirpath", "path", "directory"): {"folder": "folder="},
    ("opset_version",): {"opset": "opset="},
    ("shape", "input_shape", "in_shape"): {
        "size": "size=64 or size=(height, width), and channels=1 or 3",
        "architecture": "gt.architecture(name).network(input_shape=…, classes=…)",
    },
    ("num_classes", "num_labels"): {"architecture": "classes=", "out_features": "out_features="},
    ("pretrained",): {"architecture": 'weights="file.safetensors"; nothing is downloaded'},
}
"""For each word of elsewhere: by an argument that is here, what to write; "" for any."""

_NOTHING = "nothing for it: predicting is evaluation, and engine= says what computes"

_ATTRIBUTES: Mapping[tuple[str, ...], str] = {
    ("fit", "train", "fit_generator", "train_on_batch"): "gt.train(network, (x, y))",
    ("evaluate", "score", "test"): "gt.evaluate(network, (x, y))",
    ("forward", "predict_proba", "predict_on_batch"): "network.predict(x)",
    ("backward", "zero_grad", "grad", "trace"): "gt.trace(network, x, y).grad",
    ("summary", "shapes"): "print(network.plan(batch_size=64))",
    ("compile",): "gt.train(network, (x, y), loss=…, optimizer=…)",
    ("state_dict", "named_parameters", "weights", "get_weights", "trainable_weights"): (
        "network.parameters, a mapping of arrays, and network.buffers"
    ),
    ("load_state_dict", "set_weights", "load_weights"): (
        'gt.load(path), or network.parameters["conv1.weight"] = array'
    ),
    ("load",): "gt.load(path)",
    ("add", "append"): "all layers at once: gt.Network(input_shape, [layer, …])",
    ("eval", "to", "cuda", "cpu", "half", "double", "requires_grad_", "apply"): _NOTHING,
}
"""What networks have elsewhere."""


def argument_for(word: str, known: Collection[str]) -> str | None:
    """What to write instead of an argument that a function does not have; None where nobody knows.

    Args:
        word: the argument.
        known: those that the function has.
    """
    for words, meant in _ARGUMENTS.items():
        if word in words:
            found = next((text for name, text in meant.items() if name in known), meant.get(""))
            if found is not None:
                return f"write {found}" if re.match(r"\w+=", found) else found
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]}=" if near else None


def attribute_for(word: str, layers: Collection[str]) -> str:
    """What to write instead of an attribute that a network does not have; empty for nothing.

    Args:
        word: the attribute.
        layers: the names of the network's layers.
    """
    if word in layers:
        return f'; write network.parameters["{word}.weight"], or network.steps for the layers'
    found = _found(_ATTRIBUTES, word)
    return f"; write {found}" if found else ""


def name_for(word: str, known: Collection[str]) -> str | None:
    """What to write instead of a name that `gradtrail` does not have; None for nothing."""
    found = _found(NAMES, word)
    if found is None and word.startswith("Lazy") and word[4:] in known:
        found = f"gt.{word[4:]}, whose channels are inferred"
    if found is None:
        near = difflib.get_close_matches(word, list(known), n=1)
        return f"gt.{near[0]}" if near else None
    return found.format(name=word)


def _found(table: Mapping[tuple[str, ...], str], word: str) -> str | None:
    return next((text for words, text in table.items() if word in words), None)
