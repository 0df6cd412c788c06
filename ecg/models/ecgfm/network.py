"""The ECG-FM network: wav2vec 2.0 over 12-lead ECG, inference only.

Follows fairseq-signals (commit 6b9e137) as ECG-FM uses it: https://github.com/bowang-lab/ECG-FM,
https://arxiv.org/abs/2408.05178. Attribute names are the checkpoint's, so that its tensors load by name. Left out is
what serving never runs: dropout, masking, padding, the quantiser and the contrastive heads. Weight normalisation of the
position convolution is multiplied out when a checkpoint is read (`ecg.models.ecgfm.checkpoint`).

Shapes: n segments, T samples, t = T / 16 tokens, C = 256 convolution channels, D = 768 wide, H = 12 heads.
"""

from typing import NamedTuple

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ecg.models.ecgfm.architecture import Architecture


class EcgFmOutput(NamedTuple):
    """Result of one forward pass; `logits` is None for a pretrained encoder."""

    tokens: Tensor  # [n, t, D]
    embedding: Tensor  # [n, D]
    logits: Tensor | None  # [n, labels]


class FeatureExtractor(nn.Module):
    """Convolutions that turn 16 samples of all leads into one vector."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList()
        channels_in = architecture.n_leads
        for i, (channels, kernel, stride) in enumerate(architecture.conv_layers):
            conv = nn.Conv1d(channels_in, channels, kernel, stride, bias=False)
            # One group per channel: each channel is normalised over time. Identity stands where dropout stood.
            norm = [nn.GroupNorm(channels, channels)] if i == 0 else []
            self.conv_layers.append(nn.Sequential(conv, nn.Identity(), *norm, nn.GELU()))
            channels_in = channels

    def forward(self, x: Tensor) -> Tensor:
        """Features [n, C, t] of `x` [n, leads, T]."""
        for block in self.conv_layers:
            x = block(x)  # [n, leads, T] -> [n, C, T/2] -> … -> [n, C, T/16]
        return x


class PositionConv(nn.Module):
    """Position by convolution over 128 neighbouring tokens; the only place the network learns where a token is."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        dim, kernel = architecture.embed_dim, architecture.conv_pos
        conv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=architecture.conv_pos_groups)
        self.pos_conv = nn.Sequential(conv)

    def forward(self, x: Tensor) -> Tensor:
        """What to add to the tokens `x` [n, t, D], of the same shape."""
        n_tokens = x.shape[1]
        # An even kernel with symmetric padding gives one step too many; the last one goes.
        x = self.pos_conv(x.transpose(1, 2))[..., :n_tokens]  # [n, D, t]
        return F.gelu(x).transpose(1, 2)  # [n, t, D]


class SelfAttention(nn.Module):
    """Multi-head self-attention over the tokens of one segment."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        dim = architecture.embed_dim
        self.n_heads = architecture.n_heads
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Attended tokens [n, t, D]."""
        q, k, v = self._heads(x)
        mixed = F.scaled_dot_product_attention(q, k, v)  # [n, H, t, D/H]
        output: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))  # [n, t, D]
        return output

    def _heads(self, x: Tensor) -> list[Tensor]:
        projections = (self.q_proj, self.k_proj, self.v_proj)
        # [n, t, D] -> [n, t, H, D/H] -> [n, H, t, D/H]
        return [project(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for project in projections]


class Layer(nn.Module):
    """One transformer layer, norms after (ECG-FM) or before the residual branches."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        dim = architecture.embed_dim
        self.norm_first = architecture.layer_norm_first
        self.self_attn = SelfAttention(architecture)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, architecture.ffn_dim)
        self.fc2 = nn.Linear(architecture.ffn_dim, dim)
        self.final_layer_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [n, t, D] of the next layer."""
        if self.norm_first:
            x = x + self.self_attn(self.self_attn_layer_norm(x))
            return x + self._feed_forward(self.final_layer_norm(x))
        x = self.self_attn_layer_norm(x + self.self_attn(x))
        x = self.final_layer_norm(x + self._feed_forward(x))
        return x

    def _feed_forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return output


class Encoder(nn.Module):
    """The transformer layers. Its own norm comes first when the layers are post-norm, last when they are pre-norm."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.norm_first = architecture.layer_norm_first
        self.layer_norm = nn.LayerNorm(architecture.embed_dim)
        self.layers = nn.ModuleList(Layer(architecture) for _ in range(architecture.n_layers))

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [n, t, D] after all layers."""
        if not self.norm_first:
            x = self.layer_norm(x)
        for layer in self.layers:
            x = layer(x)
        return self.layer_norm(x) if self.norm_first else x


class EcgFm(nn.Module):
    """ECG-FM, finetuned (with the 17-label classifier) or pretrained (encoder only)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        channels, dim = architecture.conv_layers[-1][0], architecture.embed_dim
        self.feature_extractor = FeatureExtractor(architecture)
        self.layer_norm = nn.LayerNorm(channels)
        # fairseq has the projection only where the widths differ.
        self.post_extract_proj = nn.Linear(channels, dim) if channels != dim else None
        self.conv_pos = PositionConv(architecture)
        self.encoder = Encoder(architecture)
        self.proj = nn.Linear(dim, architecture.n_labels) if architecture.n_labels else None

    def forward(self, source: Tensor) -> EcgFmOutput:
        """Tokens, embedding and logits of standardised segments `source` [n, leads, T], T at least 16."""
        tokens = self.encode(self.features(source))
        embedding, logits = self.classify(tokens)
        return EcgFmOutput(tokens, embedding, logits)

    def features(self, source: Tensor) -> Tensor:
        """Local features [n, t, D] of segments [n, leads, T]: everything before tokens see each other."""
        x: Tensor = self.layer_norm(self.feature_extractor(source).transpose(1, 2))  # [n, t, C]
        if self.post_extract_proj is not None:
            x = self.post_extract_proj(x)  # [n, t, D]
        return x

    def encode(self, x: Tensor) -> Tensor:
        """Tokens [n, t, D] of `features`."""
        return self.encoder(x + self.conv_pos(x))  # type: ignore[no-any-return]

    def classify(self, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Embedding [n, D] and logits [n, labels] of `tokens`; logits None without a classifier."""
        # The authors' mean counts the elements that are not zero, channel by channel.
        embedding = tokens.sum(1) / (tokens != 0).sum(1).clamp(min=1)  # a channel of zeros pools to 0, not to 0/0
        return embedding, None if self.proj is None else self.proj(embedding)
