std = "lua54"
max_line_length = 120
self = false -- methods are alike in a class, whether they need self or not
-- the scripts are as users write them, and programs write the data
exclude_files = {"build*", ".cache", "spec/scripts", "spec/data"}

files["spec"].std = "+busted"
-- declarations for editors: functions without bodies
files["types"].ignore = {"2..", "241", "331"}
