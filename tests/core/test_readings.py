"""What rank 0 tells: numbers in Prometheus' text format, from a server that may be anybody's."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainingjob_operator.core.readings import Measured, measured

PAGE = """\
# HELP trainingjob_step Optimizer steps done.
# TYPE trainingjob_step gauge
trainingjob_step{job="digits",uid="u",attempt="2"} 120
trainingjob_max_steps{job="digits",uid="u",attempt="2"} 220
trainingjob_epoch{job="digits",uid="u",attempt="2"} 5
trainingjob_batches{job="digits",uid="u",attempt="2"} 150
trainingjob_samples_per_second{job="digits",uid="u",attempt="2"} 1866.5
trainingjob_steps_per_second{job="digits",uid="u",attempt="2"} 20.5
trainingjob_loss{job="digits",uid="u",attempt="2"} 0.25
trainingjob_last_checkpoint_step{job="digits",uid="u",attempt="2"} 110
trainingjob_last_checkpoint_age_seconds{job="digits",uid="u",attempt="2"} 3.5
python_gc_collections_total 7
"""


def test_a_page_is_read_to_the_last_number() -> None:
    assert measured(PAGE, "u", 2) == Measured(120, 150, 220, 5, 1866.5, 20.5, 0.25, 110, 3.5)


@pytest.mark.parametrize(("uid", "attempt"), [("other", 2), ("u", 1)])
def test_a_page_about_another_job_or_attempt_tells_nothing(uid: str, attempt: int) -> None:
    assert measured(PAGE, uid, attempt) is None


def test_a_script_of_ones_own_needs_one_line_and_no_labels() -> None:
    assert measured("trainingjob_step 7", "u", 1) == Measured(step=7, batches=7)


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "1e300", "many", ""])
def test_a_step_that_is_no_count_tells_nothing(value: str) -> None:
    assert measured(f"trainingjob_step {value}", "u", 1) is None


def test_a_diverged_loss_is_told_as_it_is() -> None:
    found = measured("trainingjob_step 1\ntrainingjob_loss NaN\ntrainingjob_samples_per_second inf", "u", 1)

    assert found is not None
    assert found.loss is not None
    assert math.isnan(found.loss)
    assert found.samples_per_second is None


@given(st.text())
def test_no_text_whatever_is_an_error(text: str) -> None:
    measured(text, "u", 1)
    measured(f"trainingjob_step 1\n{text}", "u", 1)
