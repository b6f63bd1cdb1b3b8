"""`keras.applications.resnet50`: one of `keras.applications.resnet`, under its old name."""

from dovetail.keras.applications.resnet import ResNet50, decode_predictions, preprocess_input

__all__ = ["ResNet50", "decode_predictions", "preprocess_input"]
