using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Cli.Shared;

/// <summary>A disk as an option's value.</summary>
internal static class DiskOption
{
    public const string Help = "A disk of the instance, FILE or FILE:FORMAT (raw, qcow2; raw without it)";

    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it begins as an image of another format, and no format is given.</exception>
    public static TargetDisk Parse(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon > 0 && text[(colon + 1)..] is "raw" or "qcow2")
        {
            return new TargetDisk(text[..colon], text[(colon + 1)..]);
        }

        var disk = new TargetDisk(text);
        return DiskHeader.DoubtOf(disk) is { } doubt
            ? throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{doubt}, or as {text}:raw if the guest is to see these bytes")
            : disk;
    }
}
