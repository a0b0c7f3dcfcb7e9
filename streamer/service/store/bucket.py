"""A place in an S3 bucket as a store of files. Keys and endpoint come from the usual variables of the environment."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from obstore.exceptions import PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from streamer.errors import ConfigError
from streamer.settings.overlay import secret_variable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

SCHEME: Final = "s3://"
_CONNECT: Final = timedelta(seconds=5)
_REQUEST: Final = timedelta(seconds=30)
_HURRY: Final = timedelta(seconds=3)
_TRIES: Final = 6
_TRYING: Final = timedelta(seconds=15)
_NAMES: Final = {
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "session_token": "AWS_SESSION_TOKEN",
    "region": "AWS_REGION",
}
_REFUSALS: Final = ("InvalidAccessKeyId", "XAdminUserNotFound", "SignatureDoesNotMatch", "403 Forbidden")
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


def open_bucket(url: str, environment: Mapping[str, str], hurried: bool = False) -> S3Store:
    """The place `s3://BUCKET/PREFIX`; nothing is asked of the server yet. Raises ConfigError with one line.

    `hurried`: it answers at once or not at all, for whoever only asks whether it does.

    Every variable may also be named with _FILE behind it, and is then the path of a file that holds it. What is not
    said is found as Amazon's own programs find it: in the variables of a container, or a machine's role.
    """
    found = urlsplit(url)
    bucket, prefix = found.netloc, found.path.strip("/")
    if not url.startswith(SCHEME) or not bucket or "@" in bucket or found.query or found.fragment:
        raise ConfigError(Path("service.blobs"), "write s3://BUCKET/PREFIX; keys come from the environment")
    config: S3Config = {}
    for name, variable in _NAMES.items():
        if value := secret_variable(variable, environment):
            config[name] = value  # type: ignore[literal-required]  # one of those that S3Config has
    config.setdefault("region", environment.get("AWS_DEFAULT_REGION") or "us-east-1")
    endpoint = next((value for name in _ENDPOINTS if (value := environment.get(name))), None)
    options: ClientConfig = {"connect_timeout": _CONNECT, "timeout": _HURRY if hurried else _REQUEST}
    if endpoint is not None:
        config["endpoint"] = endpoint
        options["allow_http"] = endpoint.startswith("http://")
    retries: RetryConfig = {
        "max_retries": 0 if hurried else _TRIES,
        "retry_timeout": _TRYING,
        "backoff": {"init_backoff": timedelta(seconds=0.3), "max_backoff": timedelta(seconds=4), "base": 2},
    }
    return S3Store(bucket, prefix=prefix or None, config=config, client_options=options, retry_config=retries)


def bucket_error(error: Exception) -> OSError:
    """What went wrong, as the system would say it. Only a file that is missing is FileNotFoundError."""
    text = str(error)
    if "NoSuchBucket" in text:
        return OSError(errno.EIO, "the storage has no such bucket")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or any(word in text for word in _REFUSALS):
        return OSError(errno.EACCES, "the storage refuses access")
    if isinstance(error, FileNotFoundError) and ("NoSuchKey" in text or "<Code>" not in text):
        return OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    if "QuotaExceeded" in text or "InsufficientStorage" in text:
        return OSError(errno.ENOSPC, "the storage is full")
    return OSError(errno.EIO, "the storage does not answer")
