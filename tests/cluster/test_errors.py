"""What a refusal of the API server means."""

import pytest

from trainingjob_operator.cluster.api import ApiError
from trainingjob_operator.cluster.errors import already_exists, is_conflict, is_expired, is_gone, refusal
from trainingjob_operator.core.observed import Blocked


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (ApiError(404, "NotFound", "", details={"name": "digits"}), is_gone),
        (ApiError(404, "NotFound", "the server could not find the requested resource"), None),
        (ApiError(409, "AlreadyExists", ""), already_exists),
        (ApiError(409, "Conflict", ""), is_conflict),
        (ApiError(410, "Gone", ""), is_expired),
        (ApiError(200, "Expired", ""), is_expired),
        (ApiError(500, "InternalError", ""), None),
    ],
)
def test_an_error_has_one_meaning(error: ApiError, meaning: object) -> None:
    found = [known for known in (is_gone, already_exists, is_conflict, is_expired) if known(error)]

    assert found == ([meaning] if meaning else [])


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ApiError(403, "Forbidden", 'pods "x" is forbidden: exceeded quota: gpus'), "QuotaExceeded"),
        (ApiError(403, "Forbidden", "unable to create new content in namespace ml because it is being terminated"),
         "NamespaceTerminating"),
        (ApiError(403, "Forbidden", "violates PodSecurity"), "Forbidden"),
        (ApiError(404, "NotFound", "namespaces ml not found"), "NotFound"),
        (ApiError(422, "Invalid", "spec.containers[0].image: Required value"), "Invalid"),
        (ApiError(400, "BadRequest", "admission webhook denied"), "Refused"),
    ],
)  # fmt: skip
def test_what_a_retry_alone_does_not_change_is_told(error: ApiError, reason: str) -> None:
    assert refusal(error, "Pod x") == Blocked(reason, f"Pod x: {error.message}")


@pytest.mark.parametrize("status", [401, 408, 409, 429, 500, 502, 503, 504])
def test_what_may_pass_by_itself_is_just_tried_again(status: int) -> None:
    assert refusal(ApiError(status, "", ""), "Pod x") is None


def test_an_error_reads_as_status_reason_and_message() -> None:
    assert str(ApiError(409, "Conflict", "changed")) == "409 Conflict: changed"
