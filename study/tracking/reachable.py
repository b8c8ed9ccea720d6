"""Whether a server takes connections, asked before anything is sent to it."""

import os
import socket
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ganstudy import UserError
from ganstudy.masked import masked

_WAIT_S = 5.0
_PORTS = {"http": 80, "https": 443}


def refuse_unreachable(address: str, *, do: str) -> None:
    """Raise UserError, with the address and the reason, if no connection to a server can be made within a few seconds.

    A proxy of the environment is asked in its place. do: what the user can do.
    """
    server = urlsplit(address)
    proxy = getproxies().get(server.scheme)
    if proxy and "://" not in proxy:  # as most clients read it
        proxy = f"http://{proxy}"
    asked = urlsplit(proxy) if proxy and not proxy_bypass(server.hostname or "") else server
    through = "" if asked is server else f" through the proxy {masked(proxy)}"
    try:
        port = asked.port or _PORTS.get(asked.scheme, 80)
        socket.create_connection((asked.hostname or "", port), _WAIT_S).close()
    except (OSError, ValueError) as error:  # ValueError: of a port that is no number
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno is not None and error.errno > 0 else str(error)
        raise UserError(f"the server {masked(address)} must take connections{through}; it does not: {reason}. {do}") from None
