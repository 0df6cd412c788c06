"""The Serve applications. The only place that binds a deployment."""

from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from deployments.serve.graph import Handles
from deployments.serve.inbox import GraphInbox
from deployments.serve.measure import Measure
from deployments.serve.model import ModelRunner
from deployments.serve.preprocess import Preprocess
from deployments.serve.rollout import Rollout
from serve_app.edge.ingress import Ingress
from serve_app.settings import AppSettings, InboxApplicationSettings, InboxSettings


def build(args: AppSettings) -> Application:
    """The service: Ingress over Preprocess, Measure (unless they are inline) and a deployment for each model; Inbox.

    With `inbox_application` the inbox is another application's. Replicas, resources and queues are set in the
    Serve YAML (config/), by deployment name.
    """
    preprocess = None if args.preprocess_inline else serve.deployment(Preprocess, name="Preprocess").bind()
    models: dict[str, Application] = {}
    for reference, card in zip(args.references(), args.cards().values(), strict=True):
        # A `user_config` in the Serve YAML stands over the settings, and changes what a running replica has loaded.
        deployment = serve.deployment(ModelRunner, name=card.deployment, user_config={})
        # The first one, which is the clinical model, has a new machine's network and processor to itself.
        first = next(iter(models.values()), None)
        models[reference] = deployment.bind(reference, args.model_settings(card.name), after=first)
    measure = None if args.measure_inline else serve.deployment(Measure, name="Measure").bind()
    rollout = serve.deployment(Rollout, name="Rollout").bind(models) if args.models_must_load else None
    handles = Handles(preprocess, models, measure, rollout)  # Serve puts handles in the applications' place
    inbox = DeploymentHandle("Inbox", args.inbox_application) if args.inbox_application else _inbox(args, handles)
    return serve.deployment(Ingress, name="Ingress").bind(args, handles, inbox)


def build_inbox(args: InboxApplicationSettings) -> Application:
    """The inbox alone: what happens to its store, and a change to it, is then no matter of the service's."""
    return _inbox(args, args.graph_application)


def _inbox(args: InboxSettings, analysis: Handles | str) -> Application:
    return serve.deployment(GraphInbox, name="Inbox").bind(
        args.resolved_inbox_url(), args.inbox_incomplete_after_s, args.inbox_keep_days, analysis
    )
