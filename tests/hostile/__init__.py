"""What is sent in bad faith or by bad luck: it ends in a right image or in one sentence."""
