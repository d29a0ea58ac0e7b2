"""What a server's answer means to the person who wrote the message: one sentence, and what they can do about it.

`rules` knows the answers of large providers and of common servers by their texts, `statuses` the enhanced status codes
(RFC 3463); an answer that neither knows is shown as it is.
"""

from onifast_outbox.reasons.explaining import LAST_ANSWER, Explanation, describe, explain, recognised

__all__ = ["LAST_ANSWER", "Explanation", "describe", "explain", "recognised"]
