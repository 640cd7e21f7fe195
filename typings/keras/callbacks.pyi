from typing import Any

class Callback:
    model: Any
    def __init__(self) -> None: ...

def __getattr__(name: str) -> Any: ...
