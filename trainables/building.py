"""The lock of all that builds networks: initial weights come from PyTorch's global random state, which the threads of a process share."""

import threading

BUILDING = threading.Lock()
