"""BlockStatistics: how often building blocks and pairs of them bind, as tables and as a page."""
