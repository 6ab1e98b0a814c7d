using ChannelSdk.Host.Launch;

namespace ChannelSdk.Cli.Shared;

/// <summary>A disk as an option's value.</summary>
internal static class DiskOption
{
    public const string Help = "A disk of the instance, FILE or FILE:FORMAT (raw, qcow2)";

    public static TargetDisk Parse(string text)
    {
        var colon = text.LastIndexOf(':');
        return colon > 0 && text[(colon + 1)..] is "raw" or "qcow2" ? new TargetDisk(text[..colon], text[(colon + 1)..]) : new TargetDisk(text);
    }
}
