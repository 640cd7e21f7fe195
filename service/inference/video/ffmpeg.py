"""How OpenCV's FFmpeg is opened: what it may read, how many threads it takes, what it says."""

import os

import cv2

_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_LOG_LEVEL = "OPENCV_FFMPEG_LOGLEVEL"
_QUIET = "-8"
_ONLY_THE_FILE = "protocol_whitelist;file|format_whitelist;mov,matroska,avi,mpegts"
_OPEN_TIMEOUT_MS = 10_000


def restrict_ffmpeg() -> None:
    """Lets FFmpeg open files of four containers only, and nothing that they may refer to.

    OpenCV reads these from the process's environment, where it opens a file; there is no other way
    in. It is to be called before threads are started, and is called again before a file is opened,
    so that nothing can be forgotten. What FFmpeg would print about a file is not printed: it quotes
    from it.
    """
    for name, value in ((_OPTIONS, _ONLY_THE_FILE), (_LOG_LEVEL, _QUIET)):
        if os.environ.get(name) != value:
            os.environ[name] = value
            cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


def open_capture(path: str) -> cv2.VideoCapture:
    """Opens a file, or returns a capture that is not open.

    One thread decodes: the service counts on one core for each of its workers.

    Args:
        path: absolute, so that it cannot be taken for an address.
    """
    restrict_ffmpeg()
    parameters = (
        *(cv2.CAP_PROP_N_THREADS, 1),
        *(cv2.CAP_PROP_HW_ACCELERATION, cv2.VIDEO_ACCELERATION_NONE),
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_TIMEOUT_MS),
    )
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, parameters)
    if capture.isOpened():
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture
