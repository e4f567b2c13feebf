"""fleetcast: how many GPUs does this LLM traffic need, and how sure are we?"""
