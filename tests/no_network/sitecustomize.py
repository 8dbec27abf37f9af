"""Loaded by Python at start when this folder is on PYTHONPATH: whatever opens a network connection fails."""

import socket


def _forbidden(*args, **kwargs):
    raise OSError("the network is forbidden here")


class _LocalSocket(socket.socket):
    """Sockets within the machine stay: processes talk to each other by them."""

    def connect(self, address):
        return super().connect(address) if self.family == socket.AF_UNIX else _forbidden()

    def connect_ex(self, address):
        return super().connect_ex(address) if self.family == socket.AF_UNIX else _forbidden()


socket.socket = _LocalSocket
socket.getaddrinfo = _forbidden
socket.create_connection = _forbidden
