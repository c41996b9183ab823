"""The layers of named architectures, one file per family.

Layers are called as torchvision calls them, with `_` for `.`: `layer1_0_conv1`, `features_0`, `fc`.
"""
