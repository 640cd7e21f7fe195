from typing import Any

from keras import callbacks as callbacks
from keras import layers as layers
from keras import utils as utils

def __getattr__(name: str) -> Any: ...
