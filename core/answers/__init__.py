"""Answers from runs and studies: the judgement of one picture, two detectors compared, a card a cluster."""
