"""Parts of networks and crops of frames that trackers share."""
