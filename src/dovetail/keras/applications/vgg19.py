"""`keras.applications.vgg19`: VGG16 with one more convolution in each of the last three blocks."""

from dovetail.keras.applications.architecture import application
from dovetail.keras.applications.imagenet_utils import caffe as preprocess_input
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.vgg16 import vgg

__all__ = ["VGG19", "decode_predictions", "preprocess_input"]

VGG19 = application(vgg("VGG19", (2, 2, 4, 4, 4)), __name__)
