"""From a recording to fiducial points: conditioning, the median beat, its global edges."""
