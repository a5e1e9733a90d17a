# SPDX-License-Identifier: Apache-2.0
"""A policy in another machine: the OpenPI websocket protocol, client and server.

Protocol. The server listens on one port. `GET /healthz` answers 200 when the model is loaded and
503 with a progress text before. A websocket on `/` first receives one binary message, the
metadata (`metadata.py`), as soon as the model is loaded; then each request is one binary message
and so is its reply (`wire.py`). All are maps in msgpack, arrays as `codec.py` says. A text message
is an error, `ClassName: text`; the connection stays open unless the server itself failed.
`POST /act` answers the JSON interface of the reference implementation (`act.py`). With a token,
both want the header `Authorization: Api-Key <token>`.

Needs aiohttp and msgpack, but no torch. May import: spec, errors, the policy room, numpy.
"""
