using System.Text;
using ChannelSdk.Host.Options;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Host.Exec;

/// <summary>A program to run in the guest.</summary>
public sealed record ExecOptions
{
    // As the guest's agent has them.
    private const int MostArguments = 32_768;
    private const int MaxArgument = 131_071;
    private const int MostBytes = 256_000;
    private const int BytesPerArgument = 4;

    /// <summary>The program, as a name or an absolute path, and its arguments: 1 to 32,768, of at most 131,071 bytes each and 256,000 in all with the variables, four more for each.</summary>
    public required IReadOnlyList<string> Command { get; init; }

    /// <summary>Variables beside PATH. The guest allows LANG, LC_*, TZ and TERM, and those that its policy names; it refuses any other.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Where it begins, an absolute path.</summary>
    public string WorkingFolder { get; init; } = "/";

    /// <summary>It goes on in the guest when the session is lost; otherwise it is killed with all that it started.</summary>
    public bool KeepOnSessionLoss { get; init; }

    /// <summary>
    /// How long this instance may be without a link before the guest ends the program; null: as long as the session waits to be
    /// resumed. <see cref="KeepOnSessionLoss"/> overrides it. 1 ms to 49 days.
    /// </summary>
    public TimeSpan? LinkLoss { get; init; }

    /// <summary>Most processes that it may have at a time, 1 to 4,096, where the guest can see to that.</summary>
    public int MaxProcesses { get; init; } = 256;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One is not allowed; with its name and what is.</exception>
    internal void Validate()
    {
        OptionCheck.Texts(Command);
        if (Command.Count is 0 or > MostArguments || Command[0].Length == 0)
        {
            throw new ArgumentException($"{nameof(Command)} has {(Command.Count is 0 or > MostArguments ? $"{Command.Count} words; a program and up to {MostArguments - 1} arguments" : "no program's name; one")} are needed", nameof(Command));
        }

        OptionCheck.Variables(Environment);
        OptionCheck.Path(WorkingFolder);
        if (WorkingFolder[0] != '/')
        {
            throw new ArgumentException($"{nameof(WorkingFolder)} is '{SafeText.Escape(WorkingFolder, 100)}'; an absolute path is needed", nameof(WorkingFolder));
        }

        if (LinkLoss is { } loss)
        {
            OptionCheck.Range(loss, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(49), nameof(LinkLoss));
        }

        OptionCheck.Range(MaxProcesses, 1, 4096);
        RequireRoom();
    }

    private void RequireRoom()
    {
        long all = 0;
        foreach (var word in Command)
        {
            all += Count(word, nameof(Command));
        }

        foreach (var (name, value) in Environment)
        {
            all += Count(name, nameof(Environment)) + Count(value, nameof(Environment));
        }

        if (all > MostBytes)
        {
            throw new ArgumentException($"{nameof(Command)} and {nameof(Environment)} have {all} bytes; {MostBytes} are allowed", nameof(Command));
        }

        static long Count(string word, string name) => Encoding.UTF8.GetByteCount(word) is <= MaxArgument and var bytes
            ? bytes + BytesPerArgument
            : throw new ArgumentException($"{name} has a word of more than {MaxArgument} bytes, which no program can be given", name);
    }
}

/// <summary>How a program ended.</summary>
/// <param name="Code">Its exit code; 0 if a signal ended it.</param>
/// <param name="Signal">The signal that ended it; 0 if none did.</param>
public readonly record struct ExecExit(int Code, int Signal)
{
    /// <summary>The code, or 128 and the signal, as shells have it.</summary>
    public int ShellCode => Signal == 0 ? Code : 128 + Signal;
}

/// <summary>A program that ran to its end.</summary>
/// <param name="Exit">How it ended.</param>
/// <param name="Output">All of its standard output.</param>
/// <param name="Error">All of its standard error.</param>
public sealed record ExecResult(ExecExit Exit, ReadOnlyMemory<byte> Output, ReadOnlyMemory<byte> Error);
