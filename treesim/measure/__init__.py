"""Logs of generation measured: what they tell of a value and of what was sampled, without the truth.

`Recorder` writes a log from anybody's loop, `read_log` reads one, `measure_log` says what it tells and
`plan_measured` what to run. `simulation` has logs of instances whose truth is known: on them every interval is
calibrated.
"""

from treesim.measure.log import Log, read_log
from treesim.measure.measurement import Measurement, Step, measure_log
from treesim.measure.planning import plan_measured
from treesim.measure.recorder import Recorder

__all__ = ["Log", "Measurement", "Recorder", "Step", "measure_log", "plan_measured", "read_log"]
