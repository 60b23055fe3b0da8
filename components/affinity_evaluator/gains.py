"""What one model gains over another on the same molecules and the same resamples."""

from components.affinity_evaluator.bootstrap import BootstrapSettings
from components.affinity_evaluator.gate import MEAN, Gain
from components.affinity_evaluator.measurement import Measurement, mean_samples


def gains_over(other: Measurement, candidate: Measurement, bootstrap: BootstrapSettings) -> tuple[Gain, ...]:
    """Subtract the average precisions of one model from those of another: on the mean, then by slice.

    Args:
        other: The model to beat, measured on the same molecules with the same settings.
        candidate: The model that is judged.
        bootstrap: How intervals are computed.

    Returns:
        Gains of the mean and of each slice that both have.
    """
    gains: list[Gain] = []
    if candidate.mean_average_precision is not None and other.mean_average_precision is not None:
        value = candidate.mean_average_precision - other.mean_average_precision
        samples = mean_samples(candidate.samples) - mean_samples(other.samples)
        gains.append(Gain(MEAN, value, bootstrap.interval(samples)))
    before = {part.name: part.average_precision for part in other.slices}
    for part in candidate.slices:
        old = before.get(part.name)
        if part.average_precision is not None and old is not None:
            interval = bootstrap.interval(candidate.samples[part.name] - other.samples[part.name])
            gains.append(Gain(part.name, part.average_precision - old, interval))
    return tuple(gains)
