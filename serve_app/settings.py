"""Settings of the application: the `args` of the Serve YAML. Unknown keys are refused."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ecg.access.token_rules import TokenRules
from ecg.errors import MalformedInput
from ecg.models.cards import CARDS, cards_at
from ecg.models.contract import ModelCard
from ecg.store.location import default_file, default_url
from serve_app.origins import is_written_as_origin


class ModelChange(BaseModel):
    """What can be changed of a running model: the `user_config` of its deployment. What is not set is as in `args`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: str = Field("auto", description="source of the weights, as the card understands it")
    backend: Literal["auto", "torch", "openvino"] | None = Field(None, description="engine")
    precision: Literal["auto", "float32", "bfloat16", "int8"] | None = Field(None, description="number format")
    threads: int | None = Field(None, ge=1, description="processor threads of a replica")
    max_batch_segments: int | None = Field(None, ge=1, description="most segments in one forward pass")
    baseline: str | None = Field(None, description="file of `python -m deployments.serve.drift`")


class ModelSettings(ModelChange):
    """One model of the service. What is not set here is as for all models (`AppSettings`)."""

    card: str | None = Field(
        None, description="module:ATTRIBUTE of the model's card; not needed for those that are always there"
    )


class OidcSettings(BaseModel):
    """Tokens of an identity provider that are taken beside or in the place of keys; see `ecg.access.tokens`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(description="what iss of a token must be")
    audience: str = Field(description="what aud of a token must be or hold")
    jwks: str = Field(description="the issuer's public keys: a path, or an https URL")
    algorithms: tuple[str, ...] = Field(("RS256", "ES256"), description="the signatures that are taken")
    skew_s: float = Field(30.0, description="how much the issuer's clock may differ, at most 120")
    most_lifetime_s: float = Field(86_400.0, description="longest time from iat to exp")
    rate_hz: float | None = Field(None, gt=0, description="most requests a second of one subject")
    concurrency: int | None = Field(None, ge=1, description="most requests of one subject at a time")

    def rules(self) -> TokenRules:
        """The same for `ecg.access.tokens`. Raises `MalformedInput` for rules that would let in too much."""
        return TokenRules(**self.model_dump())


class InboxSettings(BaseModel):
    """The inbox's own settings, wherever it is deployed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inbox_url: str | None = Field(
        None, description="SQLAlchemy URL of the inbox; SQLite in $ECG_DATA_DIR or ~/.local/share/ecg-serve if unset"
    )
    inbox_incomplete_after_s: float = Field(900.0, gt=0, description="how long a recording waits for its next part")
    inbox_keep_days: float | None = Field(
        90.0, gt=0, description="how long finished recordings, results and quarantine are kept; null: for ever"
    )

    @property
    def has_store(self) -> bool:
        """Whether there may be something in the inbox: it is in a database of its own, or its file is there."""
        return self.inbox_url is not None or default_file().exists()

    def resolved_inbox_url(self) -> str:
        """URL of the inbox; the folder of the SQLite file is made when it is not there."""
        if self.inbox_url is not None:
            return self.inbox_url
        default_file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return default_url()


class InboxApplicationSettings(InboxSettings):
    """What the builder of an inbox in an application of its own takes."""

    #: Its replicas are on several machines: without a database that all reach, each would keep messages of its own.
    inbox_url: str = Field(description="SQLAlchemy URL of the inbox, which all its replicas reach")
    graph_application: str = Field("ecg", description="the Serve application that analyses what the inbox holds")


class AppSettings(InboxSettings):
    """What the builder of the service takes; nothing here changes a clinical number."""

    clinical_weights: str = Field(
        "auto", description="auto, hub, small, stand-in, or the path of a finetuned checkpoint"
    )
    feature_weights: str = Field(
        "auto", description="auto, hub, small, stand-in, or the path of a pretrained checkpoint"
    )
    models: dict[str, ModelSettings] = Field(
        default_factory=dict, description="further models by name, and settings of the two that are always there"
    )
    backend: Literal["auto", "torch", "openvino"] = Field("auto", description="engine of the models")
    precision: Literal["auto", "float32", "bfloat16", "int8"] = Field("auto", description="number format of the models")
    threads: int | None = Field(
        None, ge=1, description="processor threads of a model replica; half of the machine's if unset"
    )
    max_batch_segments: int = Field(16, ge=1, description="most five-second segments in one forward pass")
    models_must_load: bool = Field(
        False, description="a model that cannot be loaded fails its deployment, so that a rollout goes no further"
    )
    preprocess_inline: bool = Field(
        False, description="make the segments where the request came in, without a deployment Preprocess"
    )
    measure_inline: bool = Field(
        False, description="examine recordings where the request came in, without a deployment Measure"
    )
    max_requests: int = Field(64, ge=1, description="most requests with a body in progress in one ingress replica")
    max_model_requests: int | None = Field(
        None, ge=1, description="most of their recordings that models are asked about; the next one waits for them all"
    )
    max_body_mib: float = Field(64.0, gt=0, description="largest request body, also after inflation")
    max_duration_s: float = Field(600.0, ge=5, description="longest recording one request may hold")
    max_bulk_mib: float = Field(256.0, gt=0, description="largest body of a bulk request, also after inflation")
    max_bulk_items: int = Field(1000, ge=1, description="most recordings in one bulk request")
    bulk_requests: int = Field(4, ge=1, description="most bulk requests in progress in one ingress replica")
    bulk_concurrency: int = Field(16, ge=1, description="most recordings of one bulk request in progress")
    bulk_patience_s: float = Field(60.0, gt=0, description="how long a recording of a bulk request waits for capacity")
    retry_after_s: int = Field(2, ge=1, description="what Retry-After says when a queue is full or a model still loads")

    keys_file: str | None = Field(
        None, description="file of API keys (`ecg keys`); where it is set, every route but health and pages needs a key"
    )
    oidc: OidcSettings | None = Field(None, description="tokens that are taken: issuer, audience and jwks at least")
    audit_folder: str | None = Field(
        None, description="folder of the audit log; audit beside keys_file, or in the folder of data, if unset"
    )
    allowed_hosts: list[str] | None = Field(
        None, description="names under which it is called, without ports, * for any; if unset, on loopback its own"
    )
    allowed_origins: list[str] = Field(
        [], description="pages of other sites that may send requests, as https://ecg.example"
    )
    demo: bool = Field(False, description="a public demo: no inbox and no records, and no keys needed beyond loopback")

    inbox_application: str | None = Field(
        None, description="the Serve application that holds the inbox (`build_inbox`); in this one if unset"
    )

    @property
    def needs_credential(self) -> bool:
        """Whether every route but health and pages needs a key or a token."""
        return self.keys_file is not None or self.oidc is not None

    def resolved_audit_folder(self) -> Path:
        """Folder of the audit log, which may not be there yet."""
        if self.audit_folder is not None:
            return Path(self.audit_folder).expanduser()
        if self.keys_file is not None:
            return Path(self.keys_file).expanduser().absolute().parent / "audit"
        return default_file().parent / "audit"

    @property
    def max_body_bytes(self) -> int:
        """Largest request body in bytes."""
        return int(self.max_body_mib * 1024 * 1024)

    @property
    def max_bulk_bytes(self) -> int:
        """Largest body of a bulk request in bytes."""
        return int(self.max_bulk_mib * 1024 * 1024)

    @field_validator("allowed_origins")
    @classmethod
    def _origins_are_origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if not is_written_as_origin(origin):
                raise ValueError(f"an origin is a scheme and a host, as https://ecg.example, not {origin[:100]!r}")
        return origins

    @model_validator(mode="after")
    def _inbox_is_set_once(self) -> Self:
        said = sorted(self.model_fields_set & set(InboxSettings.model_fields))
        if self.inbox_application is not None and said:
            raise ValueError(f"{', '.join(said)}: of the application {self.inbox_application}, which has the inbox")
        return self

    @model_validator(mode="after")
    def _tokens_are_strict(self) -> Self:
        try:
            if self.oidc is not None:
                self.oidc.rules()
        except MalformedInput as error:
            raise ValueError(f"oidc: {error.message} ({error.field}: {error.expected})") from None
        return self

    @model_validator(mode="after")
    def _cards_exist(self) -> Self:
        try:
            self.cards()
        except MalformedInput as error:
            raise ValueError(f"models: {error.message} ({error.got})") from None
        for name, settings in self.models.items():
            if name not in self.cards():
                raise ValueError(f"models: the card {settings.card} is of a model with another name than {name}")
        return self

    def references(self) -> list[str]:
        """Of the card of every model (`ecg.models.cards.card_at`): those that are always there, then the others."""
        return [*CARDS, *(model.card or name for name, model in self.models.items() if name not in CARDS)]

    def cards(self) -> dict[str, ModelCard]:
        """The card of every model by name; `MalformedInput` for one that is not there."""
        return cards_at(self.references())

    def model_settings(self, name: str) -> dict[str, object]:
        """Settings of the deployment of a model (`deployments.serve.model_state.ModelConfig`)."""
        weights = {"clinical": self.clinical_weights, "features": self.feature_weights}
        shared = self.model_dump(include={"backend", "precision", "threads", "max_batch_segments"})
        shared |= {"weights": weights.get(name, "auto"), "must_load": self.models_must_load}
        if name in self.models:
            shared |= self.models[name].model_dump(exclude={"card"}, exclude_none=True, exclude_unset=True)
        return shared
