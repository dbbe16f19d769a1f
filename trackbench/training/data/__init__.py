"""What is trained on: targets in videos and in still images, read as the data sets are downloaded."""
