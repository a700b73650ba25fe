"""
The bare echo that Landwaiter is compared with: FastAPI and pydantic, and nothing else.

    python tests/bench/echo.py PORT CERTIFICATE KEY CLIENT_CA

A review is decoded by pydantic, handed to a function, and sent back. The server is uvicorn with the
settings of Landwaiter's own: uvloop, httptools, TLS, client certificates required, no access log.
"""

import ssl
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Review(BaseModel):
    """An AdmissionReview, without a look into the request."""

    apiVersion: str  # noqa: N815
    kind: str
    request: dict[str, Any]


@app.post("/validate")
async def echo(review: Review) -> Review:
    """Return what came."""
    return review


def main(port: str, certificate: str, key: str, client_ca: str) -> None:
    """Serve until killed."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=100,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        ssl_ca_certs=client_ca,
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
