namespace ChannelSdk.Host.Launch;

/// <summary>What is known of an appliance with which something went wrong.</summary>
public sealed record LaunchDiagnosis
{
    /// <summary>Bytes of a console or of a hypervisor's errors that are kept, the last ones.</summary>
    public const int MaxOutput = 64 << 10;

    /// <summary>Nothing is known.</summary>
    public static LaunchDiagnosis Unknown { get; } = new();

    /// <summary>Why it has ended, as a part of a sentence ("it was reset from inside"); empty if it runs or that is not known. A hypervisor's words in it are escaped.</summary>
    public string Reason { get; init; } = "";

    /// <summary>The end of what it wrote to its console, at most <see cref="MaxOutput"/> bytes of an untrusted party.</summary>
    public ReadOnlyMemory<byte> Console { get; init; }

    /// <summary>The end of its hypervisor's error output, at most <see cref="MaxOutput"/> bytes; a guest may have a part in it.</summary>
    public ReadOnlyMemory<byte> Errors { get; init; }
}
