using System.Globalization;
using System.Text;
using ChannelSdk.GuestAgent.Generation;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Repair;

/// <summary>
/// What a successor of the agent has to know of repairs: a small file on a tmpfs, a fact a line in the order in which they became true, its fields
/// separated by tabs. It has no secrets, and ends with the boot.
/// </summary>
internal sealed class RepairNotes
{
    /// <summary>Where the agent of a guest keeps them.</summary>
    public const string DefaultPath = "/run/channel-agent/repair";

    /// <summary>Generations that are remembered as left; older ones are forgotten.</summary>
    public const int MaxLeft = 64;

    private readonly RepairJournal _journal;
    private readonly List<byte[]> _left = [];
    private readonly List<string> _due = [];
    private byte[]? _begun;

    /// <summary>Reads what a predecessor has left.</summary>
    /// <param name="path">Where it is.</param>
    public RepairNotes(string path)
    {
        _journal = new RepairJournal(path);
        Read(_journal.Read());
    }

    /// <summary>The present generation; empty before the first.</summary>
    public byte[] Generation { get; private set; } = [];

    /// <summary>The last repair that came to its end.</summary>
    public RepairResult? Last { get; private set; }

    /// <summary>Whether a repair was begun that did not come to its end.</summary>
    public bool IsUnfinished => _begun is not null;

    /// <summary>What has to be done once other programs run again.</summary>
    public IReadOnlyList<string> Due => _due;

    /// <summary>Whether a generation was left for another.</summary>
    public bool HasLeft(ReadOnlySpan<byte> generation)
    {
        foreach (var left in _left)
        {
            if (generation.SequenceEqual(left))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Notes that a repair begins.</summary>
    public void Begin(byte[] generation)
    {
        _begun = generation;
        Add(Begun(generation));
    }

    /// <summary>Notes that the guest has a generation now.</summary>
    public void Enter(byte[] generation)
    {
        Leave(generation);
        Add(Entered(generation));
    }

    /// <summary>Notes what has to be done once other programs run again; before what makes it necessary is done.</summary>
    public void Owe(string what)
    {
        if (!_due.Contains(what))
        {
            _due.Add(what);
            Add(Owed(what));
        }
    }

    /// <summary>Notes how a repair ended; with a failure, or without anything that is due, it is finished.</summary>
    public void End(RepairResult result)
    {
        Last = result;
        if (result.Failure.Length > 0 || _due.Count == 0)
        {
            _begun = null;
            Add(Ended(result));
        }
    }

    /// <summary>Notes that what was due was done.</summary>
    public void Settle(IReadOnlyList<StepResult> steps)
    {
        Last = Last is { } last ? last with { Steps = [.. last.Steps, .. steps] } : null;
        _due.Clear();
        _begun = null;
        Add($"settled\n{Ended(Last)}");
    }

    private static string Begun(byte[] generation) => $"begun\t{Hex(generation)}\n";

    private static string Entered(byte[] generation) => $"generation\t{Hex(generation)}\n";

    private static string Owed(string what) => $"due\t{what}\n";

    // The steps stand before the result, so that one that is there has all of them.
    private static string Ended(RepairResult? result)
    {
        if (result is null)
        {
            return "";
        }

        var text = new StringBuilder();
        foreach (var step in result.Steps)
        {
            text.Append(CultureInfo.InvariantCulture, $"step\t{(int)step.Outcome}\t{step.ElapsedUs}\t{(step.Mandatory ? 1 : 0)}\t{step.Name}\t{step.Reason}\n");
        }

        return $"{text}result\t{Hex(result.Generation)}\t{(result.IsGated ? 1 : 0)}\t{result.Failure}\n";
    }

    private void Add(string lines) => _journal.Add(lines, () =>
        $"{string.Concat(_left.Select(Entered))}{Entered(Generation)}{string.Concat(_due.Select(Owed))}{(_begun is { } begun ? Begun(begun) : Ended(Last))}");

    private void Leave(byte[] generation)
    {
        if (Generation.Length > 0 && !Generation.AsSpan().SequenceEqual(generation))
        {
            _left.Add(Generation);
            if (_left.Count > MaxLeft)
            {
                _left.RemoveAt(0);
            }
        }

        Generation = generation;
    }

    private void Read(string text)
    {
        var steps = new List<StepResult>();
        foreach (var line in text.Split('\n'))
        {
            var fields = line.Split('\t');
            switch (fields)
            {
                case ["generation", var hex]:
                    Leave(Bytes(hex));
                    break;
                case ["due", ..]:
                    _due.Add(line["due\t".Length..]);
                    break;
                case ["settled"]:
                    _due.Clear();
                    _begun = null;
                    break;
                case ["begun", var hex]:
                    (_begun, Last, steps) = (Bytes(hex), null, []);
                    break;
                case ["result", var hex, var gated, var failure]:
                    (_begun, Last) = (null, new RepairResult(Bytes(hex), steps, failure, gated == "1"));
                    steps = [];
                    break;
                case ["step", var outcome, var elapsed, var mandatory, var name, var reason]:
                    steps.Add(new StepResult
                    {
                        Outcome = (StepOutcome)Number(outcome),
                        ElapsedUs = Number(elapsed),
                        Mandatory = mandatory == "1",
                        Name = name,
                        Reason = reason,
                    });
                    break;
            }
        }
    }

    private static ulong Number(string text) => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    private static byte[] Bytes(string hex) => GenerationText.Parse(hex) ?? [];
}
