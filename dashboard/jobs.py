"""The worker thread and its requests."""

from dashboard.services.worker.jobs import SOON, JobStatus
from dashboard.services.worker.requests import ExplainRequest, Prediction, PredictRequest, Request
from dashboard.services.worker.worker import Worker

__all__ = ["SOON", "ExplainRequest", "JobStatus", "PredictRequest", "Prediction", "Request", "Worker"]
