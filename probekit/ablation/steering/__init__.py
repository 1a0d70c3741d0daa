"""What a direction does that is added to a layer: at which strength it moves answers, and what that costs elsewhere."""
