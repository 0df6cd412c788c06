"""The Serve application. The only place that binds a deployment."""

from ray import serve
from ray.serve import Application

from deployments.serve.graph import Handles
from deployments.serve.inbox import GraphInbox
from deployments.serve.measure import Measure
from deployments.serve.model import ModelRunner
from deployments.serve.preprocess import Preprocess
from serve_app.ingress import Ingress
from serve_app.settings import AppSettings


def build(args: AppSettings) -> Application:
    """The graph: Ingress and Inbox over Preprocess (unless it is inline), ClinicalModel, FeatureModel and Measure.

    Replicas, resources and queues are set in the Serve YAML (config/), by deployment name.
    """
    preprocess = None if args.preprocess_inline else serve.deployment(Preprocess, name="Preprocess").bind()
    clinical = serve.deployment(
        ModelRunner, name="ClinicalModel", user_config=args.model_user_config(args.clinical_weights)
    ).bind("finetuned")
    features = serve.deployment(
        ModelRunner, name="FeatureModel", user_config=args.model_user_config(args.feature_weights)
    ).bind("pretrained", after=clinical)
    measure = serve.deployment(Measure, name="Measure").bind()
    handles = Handles(preprocess, clinical, features, measure)  # Serve puts the handles in the applications' place
    inbox = serve.deployment(GraphInbox, name="Inbox").bind(
        args.resolved_inbox_url(), args.inbox_incomplete_after_s, args.inbox_keep_days, handles
    )
    return serve.deployment(Ingress, name="Ingress").bind(args, handles, inbox)
