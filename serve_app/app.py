"""The Serve application. The only place that binds a deployment."""

from ray import serve
from ray.serve import Application

from deployments.measure import Measure
from deployments.model import ModelRunner
from deployments.preprocess import Preprocess
from serve_app.ingress import Ingress
from serve_app.settings import AppSettings


def build(args: AppSettings) -> Application:
    """The graph: Ingress over Preprocess, ClinicalModel, FeatureModel and Measure.

    Replicas, resources and queues are set in the Serve YAML (config/), by deployment name.
    """
    preprocess = serve.deployment(Preprocess, name="Preprocess").bind()
    clinical = serve.deployment(
        ModelRunner, name="ClinicalModel", user_config=args.model_user_config(args.clinical_weights)
    ).bind("finetuned")
    features = serve.deployment(
        ModelRunner, name="FeatureModel", user_config=args.model_user_config(args.feature_weights)
    ).bind("pretrained", after=clinical)
    measure = serve.deployment(Measure, name="Measure").bind()
    return serve.deployment(Ingress, name="Ingress").bind(args, preprocess, clinical, features, measure)
