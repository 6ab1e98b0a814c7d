namespace ChannelSdk.Testing;

/// <summary>
/// The lane of a test class: <c>[Trait(Lane.Name, Lane.Integration)]</c> on one that starts processes, makes namespaces or mounts, or
/// takes seconds, <c>Lane.Lengthy</c> on one that takes many minutes, which only <c>./test --long</c> runs. A class without it is in the
/// unit lane, which <c>./test --fast</c> runs.
/// </summary>
public static class Lane
{
    public const string Name = "Lane";
    public const string Integration = "integration";
    public const string Lengthy = "lengthy";
}
