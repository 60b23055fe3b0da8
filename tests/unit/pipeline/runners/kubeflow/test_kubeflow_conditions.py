import pytest

from belka.errors import InputError
from pipeline.runners.kubeflow.simulator.condition import evaluate_condition

INPUTS = {
    "artifacts": {"blessing": {"artifacts": [{"uri": "s3://b/k", "metadata": {"blessed": 1.0, "text": "a && b"}}]}},
    "parameterValues": {"rate": 0.25, "on": True},
}
BLESSED = "inputs.artifacts['blessing'].artifacts[0].metadata['blessed']"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (f"({BLESSED} == 1.0)", True),
        (f"!({BLESSED} == 1.0)", False),
        (f"({BLESSED} == 1.0) && (inputs.parameter_values['rate'] > 0.5)", False),
        (f"({BLESSED} != 1.0) || (inputs.parameter_values['rate'] <= 0.25)", True),
        ("inputs.artifacts['blessing'].artifacts[0].metadata['text'] == 'a && b'", True),
        ("inputs.parameter_values['on'] == true", True),
        ("inputs.artifacts['blessing'].artifacts[0].uri == ('s3://b' + '/k')", True),
        ("int(inputs.parameter_values['rate']) == 0", True),
        ("inputs.parameter_values['rate'] > -1.0", True),
    ],
)
def test_conditions(expression: str, expected: bool) -> None:
    assert evaluate_condition(expression, INPUTS) is expected


@pytest.mark.parametrize("expression", ["inputs.artifacts['no']", "__import__('os')", "1 +", "[x for x in inputs]"])
def test_what_is_no_condition_is_refused(expression: str) -> None:
    with pytest.raises(InputError, match="condition cannot be evaluated"):
        evaluate_condition(expression, INPUTS)
