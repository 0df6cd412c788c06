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
    """The graph: Ingress and Inbox over Preprocess (unless it is inline), a deployment for each model, and Measure.

    Replicas, resources and queues are set in the Serve YAML (config/), by deployment name.
    """
    preprocess = None if args.preprocess_inline else serve.deployment(Preprocess, name="Preprocess").bind()
    models: dict[str, Application] = {}
    for reference, card in zip(args.references(), args.cards().values(), strict=True):
        deployment = serve.deployment(ModelRunner, name=card.deployment, user_config=args.model_user_config(card.name))
        # The first one, which is the clinical model, has a new machine's network and processor to itself.
        models[reference] = deployment.bind(reference, after=next(iter(models.values()), None))
    measure = serve.deployment(Measure, name="Measure").bind()
    handles = Handles(preprocess, models, measure)  # Serve puts handles in the applications' place
    inbox = serve.deployment(GraphInbox, name="Inbox").bind(
        args.resolved_inbox_url(), args.inbox_incomplete_after_s, args.inbox_keep_days, handles
    )
    return serve.deployment(Ingress, name="Ingress").bind(args, handles, inbox)
