"""What pages of HTML share: their style, figures as inline SVG, and molecules as SVG."""
