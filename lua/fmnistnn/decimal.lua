--- decimal(format, x): a number by a format of string.format, with a point also where the locale has a decimal comma.
return function(format, x) return (format:format(x):gsub(",", ".")) end
