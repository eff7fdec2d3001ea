"""Makes checkpoints: rows of views and programs, small models of Qwen3-VL's architecture, and fine-tuning."""
