"""Names in the official checkpoints of AiATrack."""

from __future__ import annotations

from trackbench.checkpoints.key_map import KeyMap

KEY_MAP = KeyMap(
    rename=(
        (r"^backbone\.0\.body\.", "backbone."),
        (r"^transformer\.encoder\.layers\.(\d+)\.", r"encoder.\1."),
        (r"^transformer\.decoder\.layers\.0\.", "decoder."),
        (r"^transformer\.decoder\.norm\.", "decoder.norm."),
        # The official layers have one Attention-Add-Norm block; ours have a list of them.
        (r"^((?:encoder\.\d+|decoder)\.)((?:self|long_term|short_term)_attn\.)", r"\1blocks.0.\2"),
        (r"^((?:encoder\.\d+|decoder)\.)norm1\.", r"\1blocks.0.norm."),
        (r"^((?:encoder\.\d+|decoder)\.)(linear[12]\.)", r"\1feed_forward.\2"),
        (r"^((?:encoder\.\d+|decoder)\.)norm2\.", r"\1feed_forward.norm."),
        (r"\.inner_attn\.corr_attn\.([qk])_proj_(weight|bias)$", r".inner_attn.\1_proj.\2"),
        (r"\.inner_attn\.corr_attn\.out_proj\.", ".inner_attn.out_proj."),
    ),
)
"""How the names of an official state dict become ours."""
