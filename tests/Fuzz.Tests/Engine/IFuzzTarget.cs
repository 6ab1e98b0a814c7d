namespace ChannelSdk.Fuzz.Tests.Engine;

/// <summary>Code that takes bytes of a hostile party. A run returns for any bytes; each exception is a finding.</summary>
internal interface IFuzzTarget
{
    /// <summary>Name on the command line, and of the folder of its corpus.</summary>
    string Name { get; }

    /// <summary>Bytes of the longest input.</summary>
    int MaxLength => 1024;

    /// <summary>Bytes that one input may make it allocate in all.</summary>
    long MaxAllocated => 16 << 20;

    /// <summary>Inputs to begin with where there is no corpus.</summary>
    IReadOnlyList<byte[]> Seeds { get; }

    /// <summary>Words of its language, which random bytes would not find.</summary>
    IReadOnlyList<byte[]> Tokens => [];

    /// <summary>Runs one input against a fresh object.</summary>
    void Run(ReadOnlySpan<byte> input);
}
