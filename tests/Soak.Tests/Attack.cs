namespace ChannelSdk.Soak.Tests;

/// <summary>One kind of harm that an instance's guest, its monitor or its worker can try.</summary>
/// <param name="Name">As on the command line.</param>
/// <param name="Run">Does it until the process is killed, with the sockets of the folder; calls the action when the host has met it.</param>
internal sealed record Attack(string Name, Action<string, Action> Run)
{
    /// <summary>The worker itself was taken over, and does what the guest names.</summary>
    internal bool IsOfWorker { get; init; }

    /// <summary>What the host says when it has ended the worker for it; null: it may go on, and all is bounded.</summary>
    internal string? Ends { get; init; }

    /// <summary>That takes the host seconds, by its own times.</summary>
    internal bool IsSlow { get; init; }

    /// <summary>All, of whichever kind.</summary>
    internal static IReadOnlyList<Attack> All { get; } = [.. Attacks.All, .. GuestFaults.All, .. WorkerLies.All];

    /// <summary>The attack of a name; null: there is none.</summary>
    internal static Attack? Find(string name) => All.FirstOrDefault(attack => attack.Name == name);
}
