"""What happened on a robot, as MCAP files that rosbag2 and Foxglove open; no ROS is needed."""
