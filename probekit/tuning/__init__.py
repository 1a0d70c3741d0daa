"""From a report to a fine-tuned model."""
