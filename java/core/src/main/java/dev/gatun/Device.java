package dev.gatun;
public final class Device { public enum Kind { CPU, CUDA } }
