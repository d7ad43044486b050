fn main(){}
mod file_export;
mod file_source;
