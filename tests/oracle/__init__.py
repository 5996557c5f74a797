"""The official clients, unmodified, against the simulator: what they accept is how DingTalk speaks."""
