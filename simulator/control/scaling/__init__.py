"""The pool that follows its load: metrics, the autoscaler of Kubernetes, schedule, warm pool."""

from simulator.control.scaling.scale import autoscale

__all__ = ["autoscale"]
