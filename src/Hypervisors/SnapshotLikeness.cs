using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Hypervisors;

/// <summary>In what a machine must be like the saved one to start from a snapshot.</summary>
internal static class SnapshotLikeness
{
    /// <summary>Compares what the snapshot says with a machine that is to start from it.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: they differ; the text says in what.</exception>
    public static void Require(string instance, IReadOnlyDictionary<string, string> saved, IReadOnlyDictionary<string, string> present)
    {
        foreach (var (name, value) in present)
        {
            if (saved.GetValueOrDefault(name) is not { } other || other != value)
            {
                throw Differs(instance, $"its {name} is '{value}', and of the snapshot '{saved.GetValueOrDefault(name) ?? "not known"}'");
            }
        }
    }

    /// <summary>The error for a machine that is not like the saved one.</summary>
    public static ChannelException Differs(string instance, string what) =>
        new(ChannelError.FailedPrecondition, ErrorClass.Refused, $"{instance} cannot start from the snapshot: {what}");
}
