std = "lua54"
max_line_length = 120
exclude_files = {"build*", ".cache"}

files["spec"].std = "+busted"
-- declarations for editors: functions without bodies
files["types"].ignore = {"2..", "241", "331"}
